"""The paper's figures that the demonstration cohort has exactly (Li et al. 2022)."""

N_SCREENED = 1034  # section 4
N_INCLUDED = 206

# Patients by T (rows, T1 to T4) and N (columns, N0 to N3): iterative proportional fitting to the
# margins of Table 1, without T1-2 N0-1 (which would be stage I or II) and with ten T4N3.
T_BY_N = (
    (0, 0, 17, 3),
    (0, 0, 57, 11),
    (6, 13, 39, 7),
    (5, 9, 29, 10),
)
N_CCRT = 42  # the other 164 had induction chemotherapy

# Ages below 45, from 45 to 55 and above 55 (Table 1, both cohorts together), split by sex. The sums
# give the means of section 2.3 (50.0 for men, 50.5 for women), whose ranges are attained. (The
# means of Table 1, 51.63 and 49.82, cannot be had at once with them: together they are 51.3.)
AGE_BANDS = {"M": (36, 63, 48), "F": (15, 25, 19)}
AGE_SUMS = {"M": 7350, "F": 2980}
AGE_RANGES = {"M": (16, 74), "F": (18, 75)}

# Follow-up quartiles of 26.25, 36.00 and 48.75 months (section 3.1). With 206 whole months numpy's
# linear percentiles are these exactly if 52 patients have at most 26 months, 104 at most 36 and
# 154 at most 48, with somebody at 27, two at 36, and somebody at 48 and at 49.
FOLLOW_UP_COUNTS = {26: 52, 36: 104, 48: 154}
FOLLOW_UP_ATOMS = ((27, 1), (36, 2), (48, 1), (49, 1))
