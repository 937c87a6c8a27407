"""Sessions of end users and the tokens that stand for them: opened, checked, ended, signed.

Who has an account is in `accounts`, beside this folder.
"""
