-- The health of a tier, cell, infra group or tenant (tenant-operator.dev), for Argo CD. All four kinds share this text.
--
-- Argo CD never asks about an object that is being deleted: it shows that as Progressing by itself. The order of the
-- conditions in the list means nothing, so all of them are read before anything is decided. Argo CD runs this without
-- Lua's string, math and io libraries.

local status = obj.status or {}
local generation = obj.metadata.generation

-- Until the operator has seen this very manifest, everything else in the status is about an older one.
if status.observedGeneration == nil or status.observedGeneration ~= generation then
  return { status = "Progressing", message = "Waiting for the operator to see generation " .. tostring(generation) }
end

local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end

local function holds(kind)
  return conditions[kind] ~= nil and conditions[kind].status == "True"
end

local function as(health, kind)
  local condition = conditions[kind]
  local message = condition.message
  if message == nil or message == "" then
    message = condition.reason
  end
  return { status = health, message = message }
end

-- Nothing will come of it until somebody changes something: refused, in conflict, a release that failed, no access.
if holds("Stalled") then
  return as("Degraded", "Stalled")
end

if holds("Paused") then
  return as("Suspended", "Paused")
end

if holds("Reconciling") then
  return as("Progressing", "Reconciling")
end

if holds("Ready") then
  -- A tenant that is suspended is as its manifest wants it, but it serves nobody.
  if conditions.Ready.reason == "Suspended" then
    return as("Suspended", "Ready")
  end
  -- It has all it needs, but somebody has changed something in AWS that the tier's `drift: Report` leaves so.
  if holds("Drifted") then
    return as("Healthy", "Drifted")
  end
  return as("Healthy", "Ready")
end

if conditions.Ready ~= nil then
  return as("Progressing", "Ready")
end

return { status = "Progressing", message = "Waiting for the operator" }
