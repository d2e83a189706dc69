"""`boothd demo`: sandbox, box, and a desk around them."""
