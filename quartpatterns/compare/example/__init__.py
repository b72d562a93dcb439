"""Two small applications whose views wait, and that grow: for the benchmark."""
