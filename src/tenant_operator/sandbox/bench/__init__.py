"""What the operator costs, measured on the sandbox: calls, writes, time as a ratio, CPU and memory."""
