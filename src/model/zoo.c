/* zoo.c - published networks, exact to the parameter, at any width multiplier, as their authors built them or as timm
 * does (NAME@timm).
 *
 * Holds only networks whose layers were published (docs/models.md says where). Widths of all are scaled
 * by MnasNet's rule, which at the published multipliers gives what each one's authors have.
 */
#include "model/model.h"

#include <assert.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

typedef struct zoo_net {
    mnas_zoo_entry entry;
    int stem_filters, head_filters;
    bool head_grows;   /* with multipliers over 1 */
    bool centred;      /* pixels -1..1 instead of ImageNet's mean and deviation */
    bool timm_centred; /* the same in timm */
    mnas_act act;
    double bn_momentum, dropout;
    const char *arch;
} zoo_net;

#define TIMM "@timm"
#define TPU  "tensorflow/tpu, models/official/mnasnet; Tan et al., CVPR 2019"

static const zoo_net nets[] = {
    {.entry = {"mnasnet-a1",
               "MnasNet-A1: the search's main result, with squeeze-and-excitation (75.2 % top-1)", TPU},
     .stem_filters = 32,
     .head_filters = 1280,
     .act = MNAS_ACT_RELU,
     .bn_momentum = 0.99,
     .dropout = 0.2,
     .arch =
         "r1_k3_s11_e1_i32_o16_noskip r2_k3_s22_e6_i16_o24 r3_k5_s22_e3_i24_o40_se0.25 r4_k3_s22_e6_i40_o80 "
         "r2_k3_s11_e6_i80_o112_se0.25 r3_k5_s22_e6_i112_o160_se0.25 r1_k3_s11_e6_i160_o320"},
    {.entry = {"mnasnet-b1", "MnasNet-B1: found without squeeze-and-excitation (74.5 % top-1)", TPU},
     .stem_filters = 32,
     .head_filters = 1280,
     .act = MNAS_ACT_RELU,
     .bn_momentum = 0.99,
     .dropout = 0.2,
     .arch = "r1_k3_s11_e1_i32_o16_noskip r3_k3_s22_e3_i16_o24 r3_k5_s22_e3_i24_o40 r3_k5_s22_e6_i40_o80 "
             "r2_k3_s11_e6_i80_o96 r4_k5_s22_e6_i96_o192 r1_k3_s11_e6_i192_o320_noskip"},
    /* The first block declares 16 input filters behind a stem of 8: that is why it has no residual. */
    {.entry = {"mnasnet-small", "MnasNet-small: found by a separate search for 22 ms (66.0 % top-1)", TPU},
     .stem_filters = 8,
     .head_filters = 1280,
     .act = MNAS_ACT_RELU,
     .bn_momentum = 0.99,
     .arch = "r1_k3_s11_e1_i16_o8 r1_k3_s22_e3_i8_o16 r2_k3_s22_e6_i16_o16 r4_k5_s22_e6_i16_o32_se0.25 "
             "r3_k3_s11_e6_i32_o32_se0.25 r3_k5_s22_e6_i32_o88_se0.25 r1_k3_s11_e6_i88_o144"},
    {.entry = {"mobilenet-v1", "MobileNetV1: depthwise separable convolutions, no residual (70.6 % top-1)",
               "tensorflow/models, slim mobilenet_v1; Howard et al., 2017"},
     .stem_filters = 32,
     .centred = true,
     .timm_centred = true,
     .act = MNAS_ACT_RELU6,
     .bn_momentum = 0.9997,
     .dropout = 0.001,
     .arch = "r1_k3_s11_e1_i32_o64_opsep_noskip r2_k3_s22_e1_i64_o128_opsep_noskip "
             "r2_k3_s22_e1_i128_o256_opsep_noskip r6_k3_s22_e1_i256_o512_opsep_noskip "
             "r2_k3_s22_e1_i512_o1024_opsep_noskip"},
    {.entry = {"mobilenet-v2", "MobileNetV2: the reference of the search space (72.0 % top-1; @1.4 74.7 %)",
               "tensorflow/models, slim mobilenet_v2; Sandler et al., CVPR 2018"},
     .stem_filters = 32,
     .head_filters = 1280,
     .head_grows = true,
     .centred = true,
     .act = MNAS_ACT_RELU6,
     .bn_momentum = 0.997,
     .dropout = 0.2,
     .arch = "r1_k3_s11_e1_i32_o16 r2_k3_s22_e6_i16_o24 r3_k3_s22_e6_i24_o32 r4_k3_s22_e6_i32_o64 "
             "r3_k3_s11_e6_i64_o96 r3_k3_s22_e6_i96_o160 r1_k3_s11_e6_i160_o320"},
};
enum { N_NETS = sizeof nets / sizeof nets[0] };

const mnas_zoo_entry *mnas_zoo_list(size_t *n) {
    static mnas_zoo_entry list[N_NETS];
    for (size_t i = 0; i < N_NETS; i++) list[i] = nets[i].entry;
    *n = N_NETS;
    return list;
}

const char *mnas_zoo_note(void) {
    return "MnasNet-A2 and MnasNet-A3 are not here: the paper gives their accuracy and latency, but their "
           "layers were\n"
           "never published, neither in the paper nor in its authors' code. The same holds for MnasNet-65 "
           "and -92 of\n"
           "the first version of the paper.";
}

int mnas_model_round_filters(int filters, double multiplier) {
    double scaled = filters * multiplier;
    int rounded = (int)(scaled + 4) / 8 * 8;
    if (rounded < 8) rounded = 8;
    return rounded < 0.9 * scaled ? rounded + 8 : rounded;
}

static void scale(mnas_model *model, const zoo_net *net, double multiplier) {
    model->stem_filters = mnas_model_round_filters(model->stem_filters, multiplier);
    for (int i = 0; i < model->n_blocks; i++) {
        model->blocks[i].in = mnas_model_round_filters(model->blocks[i].in, multiplier);
        model->blocks[i].out = mnas_model_round_filters(model->blocks[i].out, multiplier);
    }
    if (net->head_grows && multiplier > 1)
        model->head_filters = mnas_model_round_filters(model->head_filters, multiplier);
}

/* PyTorch's padding and epsilon; the residual wherever filters agree, so that mnasnet-small's first layer has one. */
static void make_timms(mnas_model *model) {
    model->padding = MNAS_PAD_SYMMETRIC;
    model->bn_epsilon = 1e-5;
    model->blocks[0].in = model->stem_filters;
}

static void name_model(mnas_model *model, const zoo_net *net, double multiplier, bool timm) {
    char number[32];
    mnas_str_from_f64(multiplier, number);
    snprintf(model->name, sizeof model->name, "%s%s%s%s", net->entry.name, multiplier == 1 ? "" : "@",
             multiplier == 1 ? "" : number, timm ? TIMM : "");
}

static void build(mnas_model *model, const zoo_net *net, double multiplier, bool timm) {
    mnas_model_defaults(model);
    model->stem_filters = net->stem_filters;
    model->head_filters = net->head_filters;
    model->act = net->act;
    model->bn_momentum = net->bn_momentum;
    model->dropout = net->dropout;
    bool centred = timm ? net->timm_centred : net->centred;
    for (int c = 0; c < 3 && centred; c++) model->mean[c] = model->std[c] = 0.5;
    int rc = mnas_model_set_arch(model, net->arch);
    assert(rc == 0);
    (void)rc;
    name_model(model, net, multiplier, timm);
    if (multiplier != 1) scale(model, net, multiplier);
    if (timm) make_timms(model);
}

static int unknown_name(const char *name) {
    const char *names[N_NETS];
    mnas_str text = {0};
    for (size_t i = 0; i < N_NETS; i++) names[i] = nets[i].entry.name;
    mnas_str_append_unknown(&text, "unknown model", name, names, N_NETS);
    mnas_str_append(
        &text,
        ", each with @MULTIPLIER and @timm, a model file (with a '/' or ending in .yaml), or STUDY:TRIAL");
    int rc = mnas_str_ok(&text) ? mnas_error_set(MNAS_ERR_ARG, "%s", text.data) : MNAS_ERR_MEMORY;
    mnas_str_free(&text);
    return rc;
}

static const zoo_net *find(const char *name) {
    for (size_t i = 0; i < N_NETS; i++)
        if (strcmp(nets[i].entry.name, name) == 0) return &nets[i];
    return NULL;
}

int mnas_zoo_open(mnas_model *out, const char *name) {
    char text[96], *at;
    double multiplier = 1;
    snprintf(text, sizeof text, "%s", name);
    const size_t n = strlen(text), n_timm = sizeof TIMM - 1;
    const bool timm = n > n_timm && strcmp(text + n - n_timm, TIMM) == 0;
    if (timm) text[n - n_timm] = '\0';
    if ((at = strchr(text, '@'))) *at++ = '\0';
    const zoo_net *net = find(text);
    if (!net) return unknown_name(text);
    if (at && (!mnas_str_to_f64(at, &multiplier) || !(multiplier > 0 && multiplier <= MNAS_MAX_MULTIPLIER)))
        return mnas_error_set(
            MNAS_ERR_ARG,
            "%s: width multiplier is '%.40s'; allowed: above 0 to %g, e.g. %s@0.5; behind it "
            "may stand " TIMM,
            net->entry.name, at, MNAS_MAX_MULTIPLIER, net->entry.name);
    build(out, net, multiplier, timm);
    return 0;
}
