/* doctor.h - what the doctor makes of what a device tells of itself, apart from asking it. */
#ifndef MNAS_SEARCH_DOCTOR_H
#define MNAS_SEARCH_DOCTOR_H

#include "base/findings.h"
#include "device/wire.h"

void mnas_doctor_judge(mnas_findings *findings, const mnas_wire_info *info);

#endif
