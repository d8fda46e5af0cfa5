import type { PresetName, SourceDefinition, SourceName } from '../source.ts'
import { cloudevents } from './cloudevents.ts'
import { cognigy } from './cognigy.ts'
import { custom } from './custom.ts'
import { cxoneDataAction } from './cxone-dataaction.ts'
import { cxone } from './cxone.ts'
import { genesysOpenMessaging } from './genesys-open-messaging.ts'
import { github } from './github.ts'
import { hubspot } from './hubspot.ts'
import { eventGrid } from './event-grid.ts'
import { meta } from './meta.ts'
import { niceExpert } from './nice-expert.ts'
import { nice } from './nice.ts'
import { pagerduty } from './pagerduty.ts'
import { sendgrid } from './sendgrid.ts'
import { shopify } from './shopify.ts'
import { slack } from './slack.ts'
import { sns } from './sns.ts'
import { standardWebhooks } from './standard-webhooks.ts'
import { stripe } from './stripe.ts'
import { svix } from './svix.ts'
import { twilio } from './twilio.ts'
import { zendesk } from './zendesk.ts'
import { zoom } from './zoom.ts'

export type BuiltInSource = SourceDefinition & { readonly name: SourceName }

/** The sources that are there without a sources file. */
export const SOURCES: readonly BuiltInSource[] = [cxone, cognigy, cxoneDataAction, nice]

/** Everything that a sources file can start from. */
export const PRESETS: Readonly<Record<PresetName, SourceDefinition>> = {
  cxone,
  'cxone-dataaction': cxoneDataAction,
  nice,
  cognigy,
  'nice-expert': niceExpert,
  'standard-webhooks': standardWebhooks,
  github,
  stripe,
  slack,
  shopify,
  zendesk,
  sendgrid,
  twilio,
  pagerduty,
  sns,
  svix,
  hubspot,
  'genesys-open-messaging': genesysOpenMessaging,
  zoom,
  meta,
  'event-grid': eventGrid,
  cloudevents,
  custom,
}
