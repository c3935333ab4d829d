/* leaf_blocks.h - the leaf loops over blocks of WIDTH channels; leaf_all.h includes it once for each width that a block may have.
 */
#include "kernels/leaf_vec.h"
#include "kernels/leaf_act.h"
#include "kernels/leaf_dw.h"
#include "kernels/leaf_gate.h"
