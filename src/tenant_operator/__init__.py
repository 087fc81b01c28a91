"""Hosts many customers of one stateful service on AWS, declared as Kubernetes custom resources."""
