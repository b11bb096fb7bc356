"""The shape of every object (API version dahlia), one module per noun: what Stripe shows of a new one."""
