"""The paper, claim by claim: what it says as data, the runs that it takes, what came out beside it."""
