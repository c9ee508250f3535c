"""Reference interpreters: `tensor` runs tensor functions (L0) with NumPy, op by op, through each op class's
`reference`; `loops` runs loop code (L2).

They are the truth that compiled code is compared with: slow, plain, and independent of every pass. May import
`ir` and `ops`. Nothing is registered
here: a new tensor op is understood as soon as its class exists.
"""
