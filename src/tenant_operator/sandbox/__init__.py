"""A real kube-apiserver and a simulated AWS on loopback, for rehearsals, tests and benchmarks (extra `sandbox`)."""
