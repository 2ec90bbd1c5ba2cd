"""raygen from Python: a table in memory learned in one call, and a model as an object that draws, scores and
feeds a pipeline of Ray Data."""
