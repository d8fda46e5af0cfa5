import { cxoneMappings } from './cxone.ts'
import type { Mapping } from './mapping.ts'
import { cognigyMapping, dataActionMapping, niceMapping } from './others.ts'

/** All mappings; the first that fits a payload is taken. */
export const MAPPINGS: readonly Mapping[] = [...cxoneMappings, cognigyMapping, dataActionMapping, niceMapping]
