"""What exactness is worth: realised tracking error against cost, of ways to hold whole contracts."""
