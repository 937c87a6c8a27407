"""What benchmarks run: the platform, its peers and small servers around them."""
