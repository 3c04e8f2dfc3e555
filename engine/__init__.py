"""Networks, regions, bounds, search, solvers and formats: what the floors above stand on."""
