"""What the credits API takes and gives. Credits are JSON numbers exact to 6 places, times are UTC with `Z`."""
