# What R says about patients.csv: writes landmark.json beside it. See make_patients.py.
# Dynamic prediction at a landmark (van Houwelingen 2007): the patients still observed without
# event after 6 or 12 months, the clock restarted there, everybody censored 24 months later; a Cox
# model of them (Efron), and the probability of an event within 12 and 24 months of the first ten.
# Run with: Rscript tests/oracle/landmark.R
suppressMessages({library(survival); library(jsonlite)})
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
patients <- read.csv(file.path(here, "patients.csv"))
within <- 24

at_landmark <- function(d, start) {
  d <- d[d$time > start, ]
  d$time <- d$time - start
  d$event <- as.integer(d$event == 1 & d$time <= within)
  d$time <- pmin(d$time, within)
  fit <- coxph(Surv(time, event) ~ another + continuous, data = d, ties = "efron",
               control = coxph.control(eps = 1e-12, toler.chol = 1e-13, iter.max = 100))
  curves <- survfit(fit, newdata = d[1:10, ])
  list(n = nrow(d), events = sum(d$event), coefficient = unname(coef(fit)),
       risk = t(1 - summary(curves, times = c(12, within), extend = TRUE)$surv))
}

expected <- lapply(split(patients, patients$dataset), function(d)
  list("6" = at_landmark(d, 6), "12" = at_landmark(d, 12)))
versions <- list(R = as.character(getRversion()),
                 survival = as.character(packageVersion("survival")))
write_json(list(versions = versions, datasets = expected),
           file.path(here, "landmark.json"), auto_unbox = TRUE, digits = NA, pretty = 1)
