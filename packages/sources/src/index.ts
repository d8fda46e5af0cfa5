import { cognigy } from './cognigy.ts'
import { cxoneDataAction } from './cxone-dataaction.ts'
import { cxone } from './cxone.ts'
import { nice } from './nice.ts'
import type { SourceDefinition } from './source.ts'

export { isBearer, isInRanges, parseCidr } from './address.ts'
export { sign, verifySignature, type HmacSpec, type SignatureVerdict } from './signature.ts'
export type * from './source.ts'

/** Every source that Weir knows. */
export const SOURCES: readonly SourceDefinition[] = [cxone, cognigy, cxoneDataAction, nice]
