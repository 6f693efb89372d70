# What R says about gaps in patients.csv and about subgroups: writes missing.json beside it.
# Rubin's rules and chained equations by mice, left-censored normal regression by survival,
# empirical Bayes estimates by metafor. Run with: Rscript tests/oracle/missing.R
suppressMessages({library(survival); library(mice); library(metafor); library(jsonlite)})
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
patients <- read.csv(file.path(here, "patients.csv"))

# Rubin's rules, with few and many degrees of freedom had nothing been missing
estimates <- c(0.41, 0.52, 0.38, 0.47, 0.55, 0.44, 0.60, 0.35)
variances <- c(0.021, 0.024, 0.022, 0.020, 0.025, 0.023, 0.026, 0.021)
rubin <- lapply(c(12, 53, 1e6), function(degrees) {
  p <- pool.scalar(estimates, variances, n = degrees + 1, k = 1)
  half <- qt(0.975, p$df) * sqrt(p$t)
  list(complete_degrees = degrees, value = p$qbar, standard_error = sqrt(p$t), degrees = p$df,
       low = p$qbar - half, high = p$qbar + half)
})

# A data set with a value that is missing by rule in a third, more often in those who progressed
sets <- split(patients, patients$dataset)
d <- sets[[which.max(sapply(sets, nrow))]]
d$hazard <- nelsonaalen(d, time, event)
d$gone <- (seq_len(nrow(d)) %% 2 == 0 & d$event == 1) | (seq_len(nrow(d)) %% 5 == 0)
full <- d$another
d$value <- ifelse(d$gone, NA, d$another)
columns <- d[c("value", "continuous", "event", "hazard")]
imputed <- mice(columns, m = 400, method = "norm", maxit = 1, seed = 1, printFlag = FALSE)
chained <- summary(pool(with(imputed, lm(hazard ~ value + continuous))))

# Below the 30th percentile nothing is detected
limit <- as.numeric(quantile(full, 0.3))
below <- full < limit
tobit <- survreg(Surv(pmax(full, limit), !below, type = "left") ~ continuous + event + hazard, d,
                 dist = "gaussian")

# Subgroups: three sets of effects and their standard errors
effects <- list(apart = list(y = c(0.2, 0.9, 1.4, 0.5), s = c(0.3, 0.25, 0.4, 0.2)),
                alike = list(y = c(0.7, 0.8, 0.75), s = c(0.4, 0.3, 0.5)),
                two = list(y = c(0.1, 1.9), s = c(0.3, 0.6)))
shrunken <- lapply(effects, function(e) {
  fit <- rma(e$y, sei = e$s, method = "PM", control = list(tol = 1e-12, maxiter = 1000))
  b <- blup(fit)
  list(y = e$y, s = e$s, tau = sqrt(fit$tau2), common = as.numeric(fit$beta), p = fit$QEp,
       effect = as.numeric(b$pred), low = as.numeric(b$pi.lb), high = as.numeric(b$pi.ub))
})

write_json(list(
  rubin = list(estimates = estimates, variances = variances, pooled = rubin),
  chained = list(dataset = d$dataset[1], gone = which(d$gone) - 1,
                 estimate = chained$estimate, standard_error = chained$std.error),
  censored = list(dataset = d$dataset[1], limit = limit, coefficients = as.numeric(coef(tobit)),
                  scale = tobit$scale),
  shrunken = shrunken, versions = list(mice = as.character(packageVersion("mice")),
                                       metafor = as.character(packageVersion("metafor")))
), file.path(here, "missing.json"), digits = 15, auto_unbox = TRUE, pretty = TRUE)
