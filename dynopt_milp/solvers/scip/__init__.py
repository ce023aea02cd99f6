"""SCIP: the conic model, its scale and tolerances, the relaxation that tightens the box."""
