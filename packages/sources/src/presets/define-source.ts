import { REFUSALS } from '../responses.ts'
import { hasUnsignedKey } from '../unsigned-key.ts'
import type { SourceDefinition } from '../source.ts'

type Needed = Pick<SourceDefinition, 'verifier' | 'identify'>

/** A source with the default settings: Weir's own responses, any JSON, and unknown fields accepted. */
export const defineSource = <const N extends string>(
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
  /** A getter, because a preset may define its functions below the call. */
  get guardsContent() {
    return hasUnsignedKey(parts.verifier, parts)
  },
  ...parts,
})
