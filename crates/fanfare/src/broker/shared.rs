//! A shared broker is a broker: whoever keeps a handle, a test that cuts its line for one, can give the hub another.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{Broker, BrokerError, HistoryPage, HistoryQuery, Offers, Publication, Receipt, Sink, Topic};
use crate::{History, Member, SessionId};

#[async_trait]
impl<B: Broker + ?Sized> Broker for Arc<B> {
    fn offers(&self) -> Offers {
        (**self).offers()
    }

    async fn publish(
        &self,
        topic: &Topic,
        publication: Arc<Publication>,
        history: Option<History>,
    ) -> Result<Receipt, BrokerError> {
        (**self).publish(topic, publication, history).await
    }

    async fn subscribe(&self, topic: &Topic, sink: &Arc<dyn Sink>) -> Result<(), BrokerError> {
        (**self).subscribe(topic, sink).await
    }

    async fn unsubscribe(&self, topic: &Topic) -> Result<(), BrokerError> {
        (**self).unsubscribe(topic).await
    }

    async fn history(&self, topic: &Topic, query: HistoryQuery) -> Result<HistoryPage, BrokerError> {
        (**self).history(topic, query).await
    }

    async fn track(&self, topic: &Topic, member: &Member, lease: Duration) -> Result<(), BrokerError> {
        (**self).track(topic, member, lease).await
    }

    async fn untrack(&self, topic: &Topic, session: SessionId) -> Result<(), BrokerError> {
        (**self).untrack(topic, session).await
    }

    async fn presence(&self, topic: &Topic, limit: usize) -> Result<(Vec<Member>, usize), BrokerError> {
        (**self).presence(topic, limit).await
    }
}
