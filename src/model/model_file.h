/* model_file.h - the keys which model files and space files share: a network's attributes and its blocks. */
#ifndef MNAS_MODEL_MODEL_FILE_H
#define MNAS_MODEL_MODEL_FILE_H

#include "base/str.h"
#include "model/model.h"
#include "model/yaml_doc.h"

/* Keys of attributes, without `blocks`; NULL-terminated. */
const char *const *mnas_model_file_keys(size_t *n);

/* Defaults, then the attributes the file gives, then checks among them. A missing name becomes the file's,
 * without folders and extension. Unknown keys are the caller's business. */
int mnas_model_file_read(const mnas_yaml_doc *doc, mnas_model *model);

/* A scalar that is a block string. */
int mnas_model_file_block(const mnas_yaml_doc *doc, const mnas_yaml *node, mnas_block *block);

/* Appends the block to the model when it takes what the one before puts out. */
int mnas_model_file_append(const mnas_yaml_doc *doc, const mnas_yaml *node, mnas_model *model,
                           const mnas_block *block);

#endif
