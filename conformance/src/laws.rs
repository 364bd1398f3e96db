//! The laws. The name of a function is the law.

mod delivery;
mod faults;
mod manners;

use libtest_mimic::Failed;

use crate::Stand;

/// Something that every sink promises.
pub(crate) struct Law {
    /// The promise.
    pub(crate) name: &'static str,
    /// Fails if it is broken.
    pub(crate) check: fn(&dyn Stand) -> Result<(), Failed>,
}

macro_rules! laws {
    ($($module:ident :: $law:ident,)+) => {
        /// Every law.
        pub(crate) const ALL: &[Law] =
            &[$(Law { name: stringify!($law), check: $module::$law },)+];
    };
}

laws! {
    delivery::what_is_acknowledged_is_stored,
    delivery::order_is_kept_within_a_batch,
    delivery::a_redelivery_stores_nothing_twice,
    delivery::a_redelivery_after_a_restart_stores_nothing_twice,
    delivery::the_largest_batch_that_is_allowed_is_taken,
    delivery::two_deliveries_at_once_do_not_mix,
    delivery::an_item_that_cannot_be_read_does_not_hold_up_the_others,
    delivery::events_and_alerts_arrive_together,
    delivery::awkward_events_arrive_as_they_left,
    faults::a_fault_is_reported_as_what_it_is,
    faults::a_fault_that_is_over_is_over,
    faults::a_dropped_delivery_leaves_the_sink_usable,
    faults::a_url_that_leads_nowhere_good_is_reported,
    faults::no_secret_is_shown,
    manners::open_does_nothing_yet,
    manners::a_probe_leaves_nothing_behind,
    manners::a_probe_notices_that_nobody_is_there,
    manners::unknown_settings_are_refused,
}
