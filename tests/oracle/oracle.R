# What R says about patients.csv: writes expected.json beside it. See make_patients.py.
suppressMessages({library(survival); library(pROC); library(jsonlite)})
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
patients <- read.csv(file.path(here, "patients.csv"))
scores <- c("continuous", "another", "tied", "two_level")
pairs <- combn(scores, 2, simplify = FALSE)
truncation <- 36

single <- function(d, score) {
  x <- d[[score]]
  curve <- roc(d$high_risk, x, direction = "<", levels = c(0, 1), quiet = TRUE)
  harrell <- concordance(Surv(d$time, d$event) ~ x, reverse = TRUE)
  uno <- concordance(Surv(d$time, d$event) ~ x, reverse = TRUE, timewt = "n/G2", ymax = truncation)
  list(auc = as.numeric(auc(curve)), auc_variance = var(curve, method = "delong"),
       auc_plain_interval = as.numeric(ci.auc(curve, method = "delong"))[c(1, 3)],
       c = unname(harrell$concordance), c_variance = unname(harrell$var),
       uno = unname(uno$concordance), uno_variance = unname(uno$var))
}

fixed <- function(d, score) {  # linear predictor = score: nothing is fitted
  coxph(Surv(d$time, d$event) ~ d[[score]], init = 1, control = coxph.control(iter.max = 0))
}

paired <- function(d, pair) {
  curves <- lapply(pair, function(s)
    roc(d$high_risk, d[[s]], direction = "<", levels = c(0, 1), quiet = TRUE))
  test <- roc.test(curves[[1]], curves[[2]], method = "delong", paired = TRUE)
  a <- fixed(d, pair[1]); b <- fixed(d, pair[2])
  both <- concordance(a, b)
  contrast <- c(1, -1)
  calls <- lapply(pair, function(s) (d[[s]] > median(d[[s]])) == d$high_risk)
  only <- c(sum(calls[[1]] & !calls[[2]]), sum(calls[[2]] & !calls[[1]]))
  list(a = pair[1], b = pair[2], auc_p = unname(test$p.value),
       c_difference = sum(contrast * both$concordance),
       c_variance = as.numeric(contrast %*% vcov(both) %*% contrast),
       only = only, mcnemar_p = if (sum(only) > 0) binom.test(only[1], sum(only))$p.value else 1)
}

wilson <- list(); mcnemar <- list()
for (k in list(c(0, 7), c(1, 1), c(3, 20), c(15, 20), c(22, 43), c(23, 23))) {
  test <- suppressWarnings(prop.test(k[1], k[2], correct = FALSE))
  wilson[[length(wilson) + 1]] <- c(k, test$conf.int)
}
for (k in list(c(1, 0), c(0, 6), c(4, 4), c(9, 3), c(2, 17), c(12, 11)))
  mcnemar[[length(mcnemar) + 1]] <- c(k, binom.test(k[1], sum(k))$p.value)
holm <- lapply(list(c(0.04, 0.01, 0.03), c(0.5, 0.9, 0.02, 0.02), c(1e-9, 1, 0.3, 0.3, 0.3, 0.04)),
               function(p) list(p, p.adjust(p, "holm")))

expected <- lapply(split(patients, patients$dataset), function(d)
  list(single = setNames(lapply(scores, function(s) single(d, s)), scores),
       paired = lapply(pairs, function(p) paired(d, p))))
ages <- function(fit) list(c = unname(fit$concordance), variance = unname(fit$var))
lung_ages <- list(
  harrell = ages(concordance(Surv(time, status) ~ age, lung, reverse = TRUE)),
  uno = ages(concordance(Surv(time, status) ~ age, lung, reverse = TRUE, timewt = "n/G2",
                         ymax = 365)))
versions <- list(R = as.character(getRversion()),
                 survival = as.character(packageVersion("survival")),
                 pROC = as.character(packageVersion("pROC")))
write_json(list(versions = versions, truncation = truncation, wilson = wilson, mcnemar = mcnemar,
                holm = holm, lung = lung_ages, datasets = expected),
           file.path(here, "expected.json"), auto_unbox = TRUE, digits = NA, pretty = 1)
