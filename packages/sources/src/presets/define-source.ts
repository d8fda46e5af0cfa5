import { REFUSALS } from '../answers.ts'
import { hasUnsignedKey } from '../unsigned-key.ts'
import type { PresetName, SourceDefinition } from '../source.ts'

type Needed = Pick<SourceDefinition, 'verifier' | 'identify'>

/** A source with the defaults of the house: Weir's own answers, JSON of any kind, nothing rejected for what it does not know. */
export const defineSource = <N extends PresetName>(
  name: N,
  parts: Needed & Partial<Omit<SourceDefinition, 'name' | 'preset'>>,
): SourceDefinition & { readonly name: N } => ({
  ...REFUSALS.weir,
  name,
  preset: name,
  paths: [`/webhooks/${name}`],
  unsigned: false,
  body: 'json',
  mediaTypes: [],
  acceptEncodings: [],
  onInvalid: 'reject-400',
  unknownFields: 'evolve',
  knownFields: [],
  volatileFields: [],
  accepted: 'weir',
  limits: {},
  shadow: false,
  handshakes: [],
  origins: [],
  /** Asked for late: a preset's functions may be written below it. */
  get guardsContent() {
    return hasUnsignedKey(parts.verifier, parts)
  },
  ...parts,
})
