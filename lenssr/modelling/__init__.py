"""What a lens modeller does with an image: fits mass, source and lens light, and asks for a subhalo more."""
