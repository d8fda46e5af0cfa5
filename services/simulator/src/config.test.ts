import { expect, it } from 'vitest'
import { loadConfig } from './config.ts'

it('signs with CXONE_WEBHOOK_SECRET for the sources for which ingress accepts it', () => {
  const env = { CXONE_WEBHOOK_SECRET: 'the one', SOURCE_CXONE_DATAACTION_SECRETS: 'of its own' }
  expect(loadConfig(env)).toMatchObject({ cxoneSecret: ['the one'], niceSecret: ['the one'] })
  expect(loadConfig({ ...env, SOURCE_NICE_SECRETS: 'another' })).toMatchObject({
    cxoneSecret: ['the one'],
    niceSecret: ['another'],
  })
})
