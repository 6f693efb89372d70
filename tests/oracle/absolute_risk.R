# What R says about patients.csv: writes absolute_risk.json beside it. See make_patients.py.
# Probability of progression by 12 to 60 months of the first ten patients of each data set, from a
# Cox model of all of them (Efron's rule for ties in the fit and in the baseline).
# Run with: Rscript tests/oracle/absolute_risk.R
suppressMessages({library(survival); library(jsonlite)})
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
patients <- read.csv(file.path(here, "patients.csv"))
horizons <- c(12, 24, 36, 48, 60)

risks <- function(d) {
  fit <- coxph(Surv(time, event) ~ another + two_level + continuous, data = d, ties = "efron",
               control = coxph.control(eps = 1e-12, toler.chol = 1e-13, iter.max = 100))
  curves <- survfit(fit, newdata = d[1:10, ])
  t(1 - summary(curves, times = horizons, extend = TRUE)$surv)
}

expected <- lapply(split(patients, patients$dataset), function(d)
  list(latest = max(d$time), risk = risks(d)))
versions <- list(R = as.character(getRversion()),
                 survival = as.character(packageVersion("survival")))
write_json(list(versions = versions, horizons = horizons, datasets = expected),
           file.path(here, "absolute_risk.json"), auto_unbox = TRUE, digits = NA, pretty = 1)
