"""The accesses of commands: what each use case asks a device for, in the order of its results.

Data alone; `gbcs.tables.accesses` looks them up. Those of the reading service are in
`gbcs.tables.reading_services`.

Source: the commands of DCC's RTDS 4.5.0. Each variant, a list of accesses that some command of a
message code makes, names a vector that has it. What a vector does not show is not here.
"""

# A variant opens with =, its message code and a vector that has it. Columns of an access: choice,
# with a star where a command chooses one of several like objects; class; OBIS code; attribute or
# method. Choice `protected` is an attribute that the action above it protects.
ACCESS_ROWS = """
= 0001 CCS01_8.11_SUCCESS_COMMAND
action             104  0.0.30.3.0.255   1
set                104  0.0.30.3.0.255   3
set                104  0.0.30.3.0.255   2
= 0002 CCS02_8.11_SUCCESS_COMMAND
action             104  0.0.30.3.0.255   2
= 0003 CCS03_8.12.1_SUCCESS_COMMAND
action             104  0.0.30.3.0.255   5
= 0004 CCS05CCS04_8.9_SUCCESS_COMMAND
get                104  0.0.30.3.0.255   4
= 0019 ECS01a_1.1.1_IMMEDIATE_BLOCK_SUCCESS_COMMAND
set                20   0.0.13.0.0.255   7
set                20   0.0.13.0.0.255   8
set                20   0.0.13.0.0.255   9
set                11   0.1.11.0.0.255   2
set                21   0.0.16.1.11.255  2
set                21   0.0.16.1.12.255  2
set                21   0.0.16.1.13.255  2
set                21   0.0.16.1.14.255  2
set                21   0.0.16.1.15.255  2
set                21   0.0.16.1.16.255  2
set                21   0.0.16.1.17.255  2
set                21   0.0.16.1.18.255  2
set                9000 0.0.94.44.2.0    4
set                113  0.0.19.20.4.255  6
set                113  0.0.19.20.0.255  6
set                20   0.0.13.0.0.255   10
set                9000 0.0.94.44.128.29 6
set                9000 0.0.94.44.2.0    6
set                113  0.0.19.20.4.255  7
set                113  0.0.19.20.0.255  7
set                9000 0.0.63.1.1.255   6
= 001A ECS02_1.6_FUTURE_DATED_TWIN_SUCCESS_COMMAND
set                111  0.1.19.0.0.255   2
set                111  0.1.19.0.0.255   11
set                111  0.1.19.0.0.255   13
= 001B ECS03_1.6_CANCELLATION_TWIN_SUCCESS_COMMAND
set                111  0.1.19.0.0.255   2
set                9000 0.0.94.44.128.22 4
set                111  0.1.19.0.0.255   11
set                9000 0.0.94.44.128.22 6
set                111  0.1.19.0.0.255   13
= 001D ECS05_1.7_SUCCESS_COMMAND
action             9    0.0.10.0.100.255 1
= 001F ECS08_2.1_CANCELLATION_SUCCESS_COMMAND
set                11   0.1.11.0.2.255   2
set                9000 0.0.94.44.2.20   2
set                9000 0.0.94.44.2.10   4
set                10   0.1.12.0.1.255   2
set                9000 0.0.94.44.128.12 4
set                9000 0.0.94.44.128.13 4
set                9000 0.0.94.44.128.9  4
set                9000 0.0.94.44.128.2  4
set                9000 0.0.94.44.128.31 6
set                9000 0.0.94.44.128.3  4
set                9000 0.0.94.44.2.20   6
set                9000 0.0.94.44.2.10   6
set                9000 0.0.94.44.128.12 6
set                9000 0.0.94.44.128.13 6
set                9000 0.0.94.44.128.9  6
set                9000 0.0.94.44.128.2  6
set                9000 0.0.94.44.128.3  6
set                9000 0.0.94.44.128.28 6
= 0020 ECS09_2.5_SUCCESS_COMMAND
action             112  0.0.19.10.1.255  3
= 0021 ECS10_3.1_SUCCESS_COMMAND
set                1    0.2.96.13.1.255  2
= 0023 ECS14_3.5_SUCCESS_COMMAND
set                1    0.0.94.44.3.1    2
= 0024 ECS15a_3.3_SUCCESS_COMMAND
action             7    0.0.99.98.0.255  1
= 0025 ECS16_3.4_SUCCESS_COMMAND
set                9000 0.0.96.13.0.255  2
set                9000 0.0.96.13.1.255  2
= 003C ECS26b_6.2.1_SUCCESS_COMMAND
get                71   0.0.17.0.1.255   4
get                71   0.0.17.0.1.255   6
get                71   0.0.17.0.2.255   4
get                71   0.0.17.0.2.255   6
get                71   0.0.17.0.3.255   4
get                71   0.0.17.0.3.255   6
get                71   0.0.17.0.4.255   4
get                71   0.0.17.0.4.255   6
get                1    1.0.32.35.0.4    2
get                1    1.0.32.31.0.4    2
= 003D ECS26c_6.2.2_SUCCESS_COMMAND
get                1    0.0.94.44.0.0    2
get                1    0.0.94.44.0.2    2
get                1    0.0.94.44.0.1    2
= 003E ECS26d_6.2.3_SUCCESS_COMMAND
get                22   0.0.15.0.0.255   4
= 003F ECS26e_6.2.4_ERROR_COMMAND
get                1    0.0.96.1.1.255   2
get                1    0.0.96.1.2.255   2
get                1    0.0.96.1.4.255   2
get                1    0.0.96.1.6.255   2
get                1    0.0.94.44.0.4    2
= 0040 ECS26f_6.2.5_SUCCESS_COMMAND
get                21   0.0.16.0.0.255   2
= 0043 ECS28a_6.4.1_CANCELLATION_SUCCESS_COMMAND
set                9000 0.0.94.44.0.3    4
set                9000 0.0.94.44.128.7  4
set                9000 0.0.94.44.128.6  4
set                9000 0.0.94.44.128.8  4
set                9000 0.0.94.44.0.3    6
set                9000 0.0.94.44.128.7  6
set                9000 0.0.94.44.128.6  6
set                9000 0.0.94.44.128.8  6
= 0044 ECS28b_6.4.2_ERROR_COMMAND
action             3    0.0.94.44.42.255 1
= 0045 ECS29a_6.5_SUCCESS_COMMAND
set                7    1.0.32.24.0.255  4
set                71   0.0.17.0.1.255   4
set                71   0.0.17.0.1.255   6
set                71   0.0.17.0.2.255   4
set                71   0.0.17.0.2.255   6
set                71   0.0.17.0.3.255   4
set                71   0.0.17.0.3.255   6
set                71   0.0.17.0.4.255   4
set                71   0.0.17.0.4.255   6
set                1    1.0.32.35.0.4    2
set                1    1.0.32.31.0.4    2
action             3    1.0.32.32.0.4    1
action             3    1.0.32.36.0.4    1
= 0046 ECS30_6.8_ERROR_COMMAND
set                22   0.0.15.0.0.255   4
= 0047 ECS34_6.12_SUCCESS_COMMAND
set                21   0.0.16.0.0.255   2
= 0048 ECS35a_6.13_SUCCESS_COMMAND
get-with-selection 7    0.0.99.98.0.255  2
= 004A ECS37_6.18.1_ERROR_COMMAND
set                10   0.0.12.0.0.255   2
= 004B ECS38_7.12_SUCCESS_COMMAND
set                1    0.0.94.44.0.1    2
= 004C ECS39a_6.20.1_SINGLE_SUCCESS_COMMAND
set                1    0.0.94.44.34.11  2
= 004D ECS39b_6.20.2_ERROR_COMMAND
set                1    1.0.0.0.2.255    2
= 004E ECS40_6.2.7_TWIN_SUCCESS_COMMAND
get                1    0.0.94.44.34.11  2
get                1    1.0.0.0.2.255    2
= 004F ECS42_7.1_SUCCESS_COMMAND
action             9    0.0.10.0.106.255 1
= 0050 ECS43_7.2_SUCCESS_COMMAND
action             9    0.0.10.0.106.255 1
= 0051 ECS44_7.3_ERROR_COMMAND
action             9    0.0.10.0.106.255 1
= 0052 ECS45_7.4_SUCCESS_COMMAND
get                70   0.0.96.3.10.255  3
= 0053 ECS46a_6.14.1_SOME_OPTIONALS_SUCCESS_COMMAND
set*               1    0.0.94.44.0.12   2
set*               1    0.0.94.44.0.13   2
set*               1    0.0.94.44.0.14   2
= 0053 ECS46a_6.14.1_ALL_OPTIONALS_SUCCESS_COMMAND
set                1    0.0.94.44.0.11   2
set                1    0.0.94.44.0.12   2
set                1    0.0.94.44.0.13   2
set                1    0.0.94.44.0.14   2
set                1    0.0.94.44.0.15   2
= 0054 ECS46c_6.14.2_CANCELLATION_ALL_OPTIONALS_SUCCESS_COMMAND
set                1    0.0.94.44.0.21   2
set                1    0.0.94.44.0.22   2
set                1    0.0.94.44.0.23   2
set                1    0.0.94.44.0.24   2
set                1    0.0.94.44.0.25   2
set                11   0.1.11.0.3.255   2
set                10   0.1.12.0.2.255   2
set                9000 0.0.94.44.128.26 6
set                9000 0.0.94.44.128.35 6
= 0055 ECS47Reset_7.8_SUCCESS_COMMAND
action             9    0.0.10.0.103.255 1
= 0055 ECS47Activate_7.5_ERROR_COMMAND
set*               1    0.0.94.44.117.1  2
action             9    0.0.10.0.103.255 1
= 0058 ECS50_9.1_SUCCESS_COMMAND
set                1    0.3.96.13.1.255  2
= 0059 ECS52_11.2_ERROR_COMMAND
get                1    0.0.0.2.1.255    2
= 005A ECS57_6.18.2_ALL_OPTIONALS_ERROR_COMMAND
action             4    1.0.1.6.0.255    1
action             4    1.0.1.6.1.255    1
action             4    1.0.2.6.0.255    1
= 005E ECS61c_7.11_SUCCESS_COMMAND
get                1    0.0.94.44.7.255  2
get-with-selection 7    0.0.99.98.20.255 2
get                1    0.0.94.44.6.1    2
get                1    0.0.94.44.6.2    2
get                1    0.0.94.44.6.3    2
get                1    0.0.94.44.6.4    2
get                1    0.0.94.44.6.5    2
= 005F ECS62Remove_7.10_SUCCESS_COMMAND
set                1    0.0.94.44.6.1    2
set                1    0.0.94.44.6.2    2
set                1    0.0.94.44.6.3    2
set                1    0.0.94.44.6.4    2
set                1    0.0.94.44.6.5    2
= 0062 ECS70Commission_8.1.1_SUCCESS_COMMAND
set                8    0.0.1.0.0.255    9
action             8    0.0.1.0.0.255    5
action             8    0.0.1.0.0.255    4
get                8    0.0.1.0.0.255    2
get                8    0.0.1.0.0.255    4
= 0068 ECS81_6.25_SUCCESS_COMMAND
set                1    0.0.94.44.0.4    2
= 0092 ECS26i_6.2.4_SUCCESS_COMMAND
get                1    0.0.96.1.1.255   2
get                1    0.0.96.1.4.255   2
get                1    0.0.96.1.6.255   2
= 0093 ECS35c_6.13_ERROR_COMMAND
get-with-selection 7    0.0.99.98.0.255  2
= 0094 ECS35d_6.13_SUCCESS_COMMAND
get-with-selection 7    0.0.99.98.1.255  2
= 00A2 ECS01b_1.2.1_IMMEDIATE_BLOCK_SUCCESS_COMMAND
set                113  0.0.19.20.4.255  6
set                113  0.0.19.20.0.255  6
set                113  0.0.19.20.4.255  7
set                113  0.0.19.20.0.255  7
= 00AC ECS25a_6.22_ERROR_COMMAND
set                1    0.30.97.98.11.255 2
= 00AE ECS29b_6.5_SUCCESS_COMMAND
set                7    1.0.32.24.0.255  4
set                7    1.0.52.24.0.255  4
set                7    1.0.72.24.0.255  4
set                71   0.0.17.0.1.255   4
set                71   0.0.17.0.1.255   6
set                71   0.0.17.0.2.255   4
set                71   0.0.17.0.2.255   6
set                71   0.0.17.0.3.255   4
set                71   0.0.17.0.3.255   6
set                71   0.0.17.0.4.255   4
set                71   0.0.17.0.4.255   6
set                1    1.0.32.35.0.4    2
set                1    1.0.32.31.0.4    2
set                1    1.0.52.31.0.4    2
set                1    1.0.52.35.0.4    2
set                1    1.0.72.31.0.4    2
set                1    1.0.72.35.0.4    2
action             3    1.0.32.32.0.4    1
action             3    1.0.32.36.0.4    1
action             3    1.0.52.32.0.4    1
action             3    1.0.52.36.0.4    1
action             3    1.0.72.32.0.4    1
action             3    1.0.72.36.0.4    1
= 00B0 ECS25b_6.22_SUCCESS_COMMAND
set                1    0.33.97.98.11.255 2
= 00B3 ECS04b_1.5_SUCCESS_COMMAND
action             112  0.0.19.10.0.255  2
action             112  0.0.19.10.1.255  2
action             112  0.0.19.10.2.255  2
= 00B9 ECS35e_6.13_SUCCESS_COMMAND
get-with-selection 7    0.0.99.98.4.255  2
= 00BA ECS35f_6.13_SUCCESS_COMMAND
get-with-selection 7    0.17.99.98.2.255 2
= 00BB ECS61a_7.7_ALL_OPTIONALS_SUCCESS_COMMAND
get                1    0.0.94.44.0.11   2
get                1    0.0.94.44.0.12   2
get                1    0.0.94.44.0.13   2
get                1    0.0.94.44.0.14   2
get                1    0.0.94.44.0.15   2
get                1    0.0.94.44.0.21   2
get                1    0.0.94.44.0.22   2
get                1    0.0.94.44.0.23   2
get                1    0.0.94.44.0.24   2
get                1    0.0.94.44.0.25   2
get                11   0.0.11.0.3.255   2
get                10   0.0.12.0.2.255   2
get                70   0.1.96.3.10.255  2
get                70   0.2.96.3.10.255  2
get                70   0.3.96.3.10.255  2
get                70   0.4.96.3.10.255  2
get                70   0.5.96.3.10.255  2
= 00C6 ECS26k_6.2.1_SUCCESS_COMMAND
get                71   0.0.17.0.1.255   4
get                71   0.0.17.0.1.255   6
get                71   0.0.17.0.2.255   4
get                71   0.0.17.0.2.255   6
get                71   0.0.17.0.3.255   4
get                71   0.0.17.0.3.255   6
get                71   0.0.17.0.4.255   4
get                71   0.0.17.0.4.255   6
get                1    1.0.32.35.0.4    2
get                1    1.0.32.31.0.4    2
get                1    1.0.52.31.0.4    2
get                1    1.0.52.35.0.4    2
get                1    1.0.72.31.0.4    2
get                1    1.0.72.35.0.4    2
= 00C7 ECS01d_1.2.2_IMMEDIATE_SUCCESS_COMMAND
set                113  0.0.19.20.5.255  6
set                113  0.0.19.20.5.255  7
= 00D1 ECS29c_6.5_SUCCESS_COMMAND
set                1    1.0.32.31.0.4    2
set                1    1.0.32.35.0.4    2
set                7    1.0.32.24.0.255  4
set                71   0.0.17.0.1.255   4
set                71   0.0.17.0.1.255   6
set                71   0.0.17.0.2.255   4
set                71   0.0.17.0.2.255   6
set                71   0.0.17.0.3.255   4
set                71   0.0.17.0.3.255   6
set                71   0.0.17.0.4.255   4
set                71   0.0.17.0.4.255   6
= 00D2 ECS29d_6.5_SUCCESS_COMMAND
set                1    1.0.32.31.0.4    2
set                1    1.0.32.35.0.4    2
set                1    1.0.52.31.0.4    2
set                1    1.0.52.35.0.4    2
set                1    1.0.72.31.0.4    2
set                1    1.0.72.35.0.4    2
set                7    1.0.32.24.0.255  4
set                7    1.0.52.24.0.255  4
set                7    1.0.72.24.0.255  4
set                71   0.0.17.0.1.255   4
set                71   0.0.17.0.1.255   6
set                71   0.0.17.0.2.255   4
set                71   0.0.17.0.2.255   6
set                71   0.0.17.0.3.255   4
set                71   0.0.17.0.3.255   6
set                71   0.0.17.0.4.255   4
set                71   0.0.17.0.4.255   6
= 00D4 ECS29f_6.27_SUCCESS_COMMAND
action             3    1.0.32.32.0.4    1
action             3    1.0.32.36.0.4    1
action             3    1.0.52.32.0.4    1
action             3    1.0.52.36.0.4    1
action             3    1.0.72.32.0.4    1
action             3    1.0.72.36.0.4    1
= 00D7 ECS30a_6.8_ERROR_COMMAND
set                22   0.0.15.0.0.255   4
= 00D9 ECS26l_6.2.3_SUCCESS_COMMAND
get                22   0.0.15.0.0.255   4
= 00DE ECS08a_2.1_CANCELLATION_SUCCESS_COMMAND
set                11   0.1.11.0.2.255   2
set                9000 0.0.94.44.2.20   4
set                9000 0.0.94.44.2.10   4
set                10   0.1.12.0.1.255   2
set                9000 0.0.94.44.128.12 4
set                9000 0.0.94.44.128.13 4
set                9000 0.0.94.44.128.9  4
set                9000 0.0.94.44.128.2  4
set                9000 0.0.94.44.128.31 6
set                9000 0.0.94.44.128.3  4
set                9000 0.0.94.44.2.20   6
set                9000 0.0.94.44.2.10   6
set                9000 0.0.94.44.128.12 6
set                9000 0.0.94.44.128.13 6
set                9000 0.0.94.44.128.9  6
set                9000 0.0.94.44.128.2  6
set                9000 0.0.94.44.128.3  6
set                9000 0.0.94.44.128.28 6
= 00EA ECS25a1_6.22_SUCCESS_COMMAND
set                1    0.30.97.98.12.255 2
= 00EB ECS25a2_6.22_SUCCESS_COMMAND
set                1    0.30.97.98.13.255 2
= 00EC ECS25a3_6.22_ERROR_COMMAND
set                1    0.30.97.98.14.255 2
= 00ED ECS25b3_6.22_ERROR_COMMAND
set                1    0.33.97.98.14.255 2
= 00EE ECS25r1_6.2.10_SUCCESS_COMMAND
get                1    0.30.97.98.15.255 2
get                1    0.30.97.98.16.255 2
get                1    0.30.97.98.17.255 2
get                1    0.30.97.98.18.255 2
= 00EF ECS25r2_6.2.10_SUCCESS_COMMAND
get                1    0.33.97.98.15.255 2
get                1    0.33.97.98.18.255 2
= 00FA ECS26n_6.2.4_SUCCESS_COMMAND
get                1    0.0.96.1.4.255   2
get                1    0.0.96.1.6.255   2
= 00FD ECS35g_6.13_ERROR_COMMAND
get-with-selection 7    0.17.99.98.2.255 2
= 010A DBCH01_6.31_ERROR_COMMAND
get                1    0.0.94.44.10.2   2
= 010B DBCH02_6.32_ERROR_COMMAND
get-with-selection 7    0.0.94.44.10.3   2
= 010E DBCH05_6.29_ERROR_COMMAND
set                1    0.0.94.44.10.1   2
= 010F CCS06_8.9_SUCCESS_COMMAND
get                104  0.0.30.3.0.255   4
= 011A ECS46d_6.14.3_IMMEDIATE_APC_INPUT_SUCCESS_COMMAND
set                11   0.1.11.0.3.255   2
set                10   0.1.12.0.2.255   2
set                9000 0.0.94.44.128.26 6
set                9000 0.0.94.44.128.35 6
= 011C ECS61d_7.14_SUCCESS_COMMAND
get                1    0.0.94.44.0.11   2
get                1    0.0.94.44.0.12   2
get                1    0.0.94.44.0.13   2
get                1    0.0.94.44.0.14   2
get                1    0.0.94.44.0.15   2
get                11   0.0.11.0.3.255   2
get                10   0.0.12.0.2.255   2
= 011D ECS61e_7.15_ERROR_COMMAND
get                1    0.0.94.44.0.21   2
get                1    0.0.94.44.0.22   2
get                1    0.0.94.44.0.23   2
get                1    0.0.94.44.0.24   2
get                1    0.0.94.44.0.25   2
get                1    0.0.94.44.0.31   2
get                1    0.0.94.44.0.32   2
get                1    0.0.94.44.0.33   2
get                1    0.0.94.44.0.34   2
get                1    0.0.94.44.0.35   2
= 011E ECS47a_7.13_ALCS_DEACTIVATE_SUCCESS_COMMAND
set*               1    0.0.94.44.117.1  2
set*               1    0.0.94.44.117.2  2
action             9    0.0.10.0.103.255 1
= 011E ECS47a_7.13_ALCS_ACTIVATE_SUCCESS_COMMAND
set*               1    0.0.94.44.121.1  2
set*               1    0.0.94.44.121.2  2
action             9    0.0.10.0.103.255 1
"""
