"""How moments are written in English: a day that is read alike everywhere, and 24 hours, since times are UTC."""

DATETIME_FORMAT = "N j, Y, H:i"
SHORT_DATETIME_FORMAT = "N j, Y, H:i"
