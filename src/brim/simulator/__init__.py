"""The provider that lies, and the clock to meet it on: for brim's own tests, for `brim sim`, for users' tests.

Stands on values and wire types alone and shares no code with the limiter, the policies or the dialects' decoders, so
that an error in one can't cancel itself out in the other.
"""
