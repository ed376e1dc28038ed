"""Servers in front of the services: gRPC, REST, and the remote control of tests in other processes."""
