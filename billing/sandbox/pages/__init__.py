"""The pages that Stripe hosts: checkout, authentication, portal, invoices; and an overview of the sandbox itself.

They work without a script. Each translates a form into one call of a service, and what comes of it into a page.
"""
