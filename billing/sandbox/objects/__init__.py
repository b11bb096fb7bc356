"""The shape of every object, one module per noun: functions that return what Stripe shows of a new one (API version dahlia)."""
