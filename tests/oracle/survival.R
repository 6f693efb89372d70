# What R says about patients.csv: writes survival.json beside it. See make_patients.py.
# Log-rank, Kaplan-Meier, Cox models, proportional hazards; AUC and Brier score weighted for
# censoring; calibration by glm. Run with: Rscript tests/oracle/survival.R
suppressMessages({library(survival); library(jsonlite)})
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
patients <- read.csv(file.path(here, "patients.csv"))
horizons <- c(24, 36)

groups <- function(d) {
  test <- survdiff(Surv(time, event) ~ two_level, data = d)
  curve <- summary(survfit(Surv(time, event) ~ 1, data = d, conf.type = "log-log"),
                   times = horizons, extend = TRUE)
  list(chisq = test$chisq, survival = curve$surv, low = curve$lower, high = curve$upper)
}

cox <- function(d) {
  small <- coxph(Surv(time, event) ~ another + two_level, data = d, ties = "efron")
  full <- coxph(Surv(time, event) ~ another + two_level + continuous, data = d, ties = "efron")
  check <- cox.zph(full, transform = "km", terms = FALSE, global = FALSE)$table
  list(coefficient = unname(coef(full)), se = unname(sqrt(diag(vcov(full)))),
       log_likelihood = full$loglik[2], ratio = 2 * (full$loglik[2] - small$loglik[2]),
       check = unname(check[, "chisq"]))
}

# G(t) with events before censorings at the same time: censorings are moved by a hair.
censoring <- function(d) {
  moved <- d$time + ifelse(d$event == 1, 0, 1e-6)
  fit <- survfit(Surv(moved, 1 - d$event) ~ 1)
  function(t) summary(fit, times = t, extend = TRUE)$surv
}

weighted <- function(d, horizon) {
  G <- censoring(d)
  before <- sapply(d$time, function(t) G(t - 1e-7))
  case <- ifelse(d$event == 1 & d$time <= horizon, 1 / before, 0)
  control <- ifelse(d$time > horizon, 1 / G(horizon + 1e-5), 0)
  wins <- outer(d$continuous, d$continuous, function(a, b) (a > b) + 0.5 * (a == b))
  pairs <- outer(case, control)
  p <- plogis(d$continuous)
  list(auc = sum(pairs * wins) / sum(pairs),
       brier = mean(case * (1 - p)^2 + control * p^2), share = mean(case))
}

calibrated <- function(d) {
  slope <- glm(high_risk ~ continuous, family = binomial, data = d,
               control = glm.control(epsilon = 1e-14, maxit = 100))
  large <- glm(high_risk ~ offset(continuous), family = binomial, data = d,
               control = glm.control(epsilon = 1e-14, maxit = 100))
  list(slope = unname(coef(slope)[2]), slope_se = summary(slope)$coefficients[2, 2],
       intercept = unname(coef(large)), intercept_se = summary(large)$coefficients[1, 2])
}

expected <- lapply(split(patients, patients$dataset), function(d)
  list(groups = groups(d), cox = cox(d), calibration = calibrated(d),
       weighted = lapply(horizons, function(h) weighted(d, h))))
versions <- list(R = as.character(getRversion()),
                 survival = as.character(packageVersion("survival")))
write_json(list(versions = versions, horizons = horizons, datasets = expected),
           file.path(here, "survival.json"), auto_unbox = TRUE, digits = NA, pretty = 1)
