import fc from 'fast-check'
import { expect, it } from 'vitest'
import { valueAt } from './fields.ts'
import { identifyByTemplates, overrideKeys, requireSequence } from './identify.ts'
import { collectKeyFacts, readKeyFacts } from './key-facts.ts'
import { PRESETS } from './presets/index.ts'
import type { Identify, RequestFacts } from './source.ts'

const keyTexts = {
  entityKey: "{batch:tenant.id|header:X-Tenant|'none'}",
  eventType: '{header:x-kind}-{batch:kind}',
  dedupKey: '{id|header:x-id}:{batch:tenant.id}',
}
const WAYS: Readonly<Record<string, Identify>> = {
  ...Object.fromEntries(Object.values(PRESETS).map(({ name, identify }) => [name, identify])),
  'templates alone': identifyByTemplates(keyTexts),
  'a preset with one template': overrideKeys(PRESETS.github.identify, { eventType: keyTexts.eventType }),
  'a required sequence': requireSequence(PRESETS.cloudevents.identify, 'data.n'),
}
const FIELDS = ['id', 'source', 'type', 'subject', 'kind', 'tenant', 'object', 'data', 'entry']

const leaf = fc.oneof(fc.string(), fc.integer(), fc.constant(null))
const object = fc.dictionary(fc.constantFrom(...FIELDS), fc.oneof(leaf, fc.record({ id: leaf, n: fc.nat() })))
const contentType = fc.constantFrom('application/json', 'application/cloudevents+json; charset=utf-8')

it.each(Object.entries(WAYS))(
  '%s gives a body the same keys from the kept facts as from the request',
  (_name, identify) => {
    const facts = fc.record({ seed: fc.string(), type: contentType, batch: object, missing: fc.nat(4) })
    fc.assert(
      fc.property(object, facts, (payload, { seed, type, batch, missing }) => {
        const bodyHash = () => 'hash'
        const header = (name: string) => {
          expect(identify.asks).toContain(`header:${name}`)
          if (name === 'content-type') return type
          return name.length % 5 === missing ? undefined : `${name}%20${seed}`
        }
        const around = (path: readonly string[]) => valueAt(batch, path)
        const request: RequestFacts = { bodyHash, header, around }
        const kept = collectKeyFacts(identify.asks ?? [], header, around)
        const again = { bodyHash, ...readKeyFacts(JSON.parse(JSON.stringify(kept)) as typeof kept) }
        const identityBy = (given: RequestFacts) => {
          const found = identify(payload, given)
          return found.kind === 'identified' ? found.identity : undefined
        }
        expect(identityBy(again)).toEqual(identityBy(request))
      }),
    )
  },
)
