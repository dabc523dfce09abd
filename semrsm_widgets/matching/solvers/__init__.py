"""What solves a block of affinities: the compiled auction, its twin in torch, and the engine that chooses."""
