import type { PresetName, SourceDefinition, SourceName } from '../source.ts'
import { cloudevents } from './standards/cloudevents.ts'
import { cognigy } from './contact-centre/cognigy.ts'
import { custom } from './custom.ts'
import { cxoneDataAction } from './contact-centre/cxone-dataaction.ts'
import { cxone } from './contact-centre/cxone.ts'
import { genesysOpenMessaging } from './contact-centre/genesys-open-messaging.ts'
import { github } from './platforms/github.ts'
import { hubspot } from './platforms/hubspot.ts'
import { eventGrid } from './platforms/event-grid.ts'
import { meta } from './contact-centre/meta.ts'
import { niceExpert } from './contact-centre/nice-expert.ts'
import { nice } from './contact-centre/nice.ts'
import { pagerduty } from './platforms/pagerduty.ts'
import { sendgrid } from './platforms/sendgrid.ts'
import { shopify } from './platforms/shopify.ts'
import { slack } from './platforms/slack.ts'
import { sns } from './platforms/sns.ts'
import { standardWebhooks } from './standards/standard-webhooks.ts'
import { stripe } from './platforms/stripe.ts'
import { svix } from './platforms/svix.ts'
import { twilio } from './contact-centre/twilio.ts'
import { zendesk } from './contact-centre/zendesk.ts'
import { zoom } from './contact-centre/zoom.ts'

export type BuiltInSource = SourceDefinition & { readonly name: SourceName }

/** The sources that exist without a sources file. */
export const SOURCES: readonly BuiltInSource[] = [cxone, cognigy, cxoneDataAction, nice]

/** Every preset that a sources file can start from. */
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
