"""The reading cache of an S1SP: what a meter said lately is not asked of it again.

Source: DCC, conclusions on the June 2024 SEC Release Testing Approach Document, paragraph 17.
"""
