import type { AuditLog } from '@weir/kafka'
import type { AccessTokens } from '../auth/access-tokens.ts'
import { describeSettings } from '../settings/config.ts'
import type { Settings } from '../settings/setting.ts'

/**
 * Writes to the audit log that a service has started, with its settings (without secrets) and the holders of its
 * tokens.
 */
export const noteStart = (
  audit: Pick<AuditLog, 'write'>,
  service: string,
  { settings, config, tokens }: { settings: Settings; config: object; tokens: AccessTokens },
): Promise<void> =>
  audit.write({
    what: 'service.start',
    who: { service, name: '', role: '', address: '' },
    details: { settings: describeSettings(settings, config), tokens: tokens.holders },
  })
