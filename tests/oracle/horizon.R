# What R says about patients.csv: writes horizon.json beside it. See make_patients.py.
# Evaluation at a horizon (calibration, net benefit, differences of AUC and Brier score), medians
# with reverse Kaplan-Meier follow-up, restricted means, competing risks.
# Run with: Rscript tests/oracle/horizon.R
suppressMessages({library(survival); library(jsonlite)})
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
patients <- read.csv(file.path(here, "patients.csv"))
horizons <- c(24, 36)
thresholds <- c(0.2, 0.5)
control <- glm.control(epsilon = 1e-14, maxit = 100)

# Weights for censoring: G(t) with events before censorings at the same time.
weights_at <- function(d, horizon) {
  moved <- d$time + ifelse(d$event == 1, 0, 1e-6)
  fit <- survfit(Surv(moved, 1 - d$event) ~ 1)
  G <- stepfun(fit$time, c(1, fit$surv))
  before <- G(d$time - 1e-7)
  list(case = ifelse(d$event == 1 & d$time <= horizon, 1 / before, 0),
       control = ifelse(d$time > horizon, 1 / G(horizon + 1e-5), 0))
}

measures <- function(d, horizon) {
  w <- weights_at(d, horizon)
  area <- function(x) {
    wins <- outer(x, x, function(a, b) (a > b) + 0.5 * (a == b))
    pairs <- outer(w$case, w$control)
    sum(pairs * wins) / sum(pairs)
  }
  brier <- function(p) mean(w$case * (1 - p)^2 + w$control * p^2)
  c(area(d$continuous) - area(d$another),
    brier(plogis(d$continuous)) - brier(plogis(d$another)))
}

recalibrated <- function(d, horizon) {
  w <- weights_at(d, horizon)
  y <- as.numeric(w$case > 0)
  weight <- w$case + w$control
  slope <- suppressWarnings(glm(y ~ continuous, binomial, d, weights = weight, control = control))
  large <- suppressWarnings(glm(y ~ offset(continuous), binomial, d, weights = weight,
                                control = control))
  unname(c(coef(slope)[2], coef(large)))
}

jackknife <- function(d, statistic) {
  without <- sapply(seq_len(nrow(d)), function(i) statistic(d[-i, ]))
  n <- nrow(d)
  list(value = statistic(d),
       variance = (n - 1) / n * rowSums((without - rowMeans(without))^2))
}

risk <- function(d, horizon) {  # Kaplan-Meier, 1 - S, and Greenwood's standard error
  if (nrow(d) == 0) return(c(0, 0))
  at <- summary(survfit(Surv(time, event) ~ 1, data = d), times = horizon, extend = TRUE)
  c(1 - at$surv, at$std.err)
}

benefit <- function(d, horizon, threshold) {
  treated <- d[plogis(d$continuous) >= threshold, ]
  share <- nrow(treated) / nrow(d)
  r <- risk(treated, horizon)[1]
  share * r - share * (1 - r) * threshold / (1 - threshold)
}

at_horizon <- function(d, horizon) {
  observed <- risk(d, horizon)
  list(observed = observed[1], observed_se = observed[2],
       expected = mean(plogis(d$continuous)),
       recalibration = jackknife(d, function(x) recalibrated(x, horizon)),
       difference = jackknife(d, function(x) measures(x, horizon)),
       benefit = sapply(thresholds, function(t) benefit(d, horizon, t)))
}

middle <- function(fit) unname(unlist(quantile(fit, 0.5)))
medians <- function(d)
  list(survival = middle(survfit(Surv(time, event) ~ 1, data = d, conf.type = "log-log")),
       follow_up = middle(survfit(Surv(time + ifelse(event == 1, 0, 1e-6), 1 - event) ~ 1,
                                  data = d, conf.type = "log-log")))
restricted <- function(d, horizon) {
  table <- summary(survfit(Surv(time, event) ~ two_level, data = d), rmean = horizon)$table
  list(mean = unname(table[, "rmean"]), se = unname(table[, "se(rmean)"]))
}

# Every third progression is called a death: cause 1 and cause 2.
competing <- function(d) {
  d$cause <- ifelse(d$event == 1, ifelse(seq_len(nrow(d)) %% 3 == 0, 2, 1), 0)
  state <- factor(d$cause, 0:2, c("censored", "progression", "death"))
  fit <- summary(survfit(Surv(time, state) ~ 1, data = d), times = horizons, extend = TRUE)
  later <- ifelse(d$cause == 2, max(d$time) + 1, d$time)  # can no longer progress
  first <- concordance(Surv(later, d$cause == 1) ~ d$continuous, reverse = TRUE)
  list(progression = fit$pstate[, 2], death = fit$pstate[, 3], se = fit$std.err[, 2],
       c = unname(first$concordance), c_variance = unname(first$var))
}

expected <- lapply(split(patients, patients$dataset), function(d)
  list(horizons = lapply(horizons, function(h) at_horizon(d, h)), medians = medians(d),
       restricted = restricted(d, 24), competing = competing(d)))
versions <- list(R = as.character(getRversion()),
                 survival = as.character(packageVersion("survival")))
write_json(list(versions = versions, horizons = horizons, thresholds = thresholds,
                datasets = expected),
           file.path(here, "horizon.json"), auto_unbox = TRUE, digits = NA, pretty = 1)
