"""The credits API: parse, one service or selector call, render."""
