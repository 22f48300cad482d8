"""The reading cache of an S1SP (SMETS1 Service Provider): answers repeated reads of a meter.

Source: DCC, conclusions on the June 2024 SEC Release Testing Approach Document, paragraph 17.
"""
