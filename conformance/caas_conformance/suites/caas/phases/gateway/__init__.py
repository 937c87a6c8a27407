"""What the gateway answers by itself, and how it hands on."""
