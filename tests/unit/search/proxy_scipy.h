/* proxy_scipy.h - written by proxy_scipy.py */
static const double scipy_short[] = {0.455012853470437, 0.21428571428571427, 0.21794871794871798};
static const double scipy_middle[] = {0.8005410890033561, 0.7857142857142856, 0.6005398110661269};
static const double scipy_behind = 0.3553448779072803, scipy_seed_sd = 0.0023319787734883014,
                    scipy_seeds_tau = 0.87146529562982;
