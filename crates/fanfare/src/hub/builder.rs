//! How a hub is made: who may connect, what happens on each event, and everything else by default.

use std::{
    any::Any,
    collections::{BTreeMap, HashMap},
    future::Future,
    sync::Arc,
};

use super::Hub;
use crate::{
    BuildError, Config, Handshake, Identity, Namespace, Refusal, Reject, RoomName, RoomPolicy, Session, Verb,
    broker::{Broker, MemoryBus, MemoryOptions, Topic},
    engine::{Authenticate, Seat, Surroundings, run},
    handler::{
        CatchAll, ConnectHandler, DisconnectHandler, DispatchBuilder, Handler, Middleware, RawHandler, StateMap,
        UntypedHandler,
    },
    node::{Node, NodeParts, Observer, Permit, PolicyOf, RoomChange, housekeeping},
};

/// A hub in the making. Nothing is required; mistakes are collected and told by [`build`](Self::build).
#[derive(Default)]
#[must_use = "a builder does nothing until `build`"]
pub struct HubBuilder {
    config: Config,
    broker: Option<Arc<dyn Broker>>,
    runtime: Option<tokio::runtime::Handle>,
    authenticate: Option<Authenticate>,
    permit: Option<Permit>,
    policy_of: Option<PolicyOf>,
    observer: Option<Observer>,
    states: StateMap,
    root: NamespaceBuilder,
    namespaces: BTreeMap<String, NamespaceBuilder>,
    mistakes: Vec<BuildError>,
}

/// The handlers of one namespace.
#[derive(Default)]
#[must_use = "a namespace does nothing until the hub is built"]
pub struct NamespaceBuilder {
    dispatch: DispatchBuilder,
}

/// The verbs that register handlers, for the hub's own namespace `/` and for others alike.
macro_rules! registrations {
    ($($seat:tt)+) => {
        /// Handles a typed event: `async fn say(session: Session, State(app): State<App>, say: Say) -> Result<Sent, Reject>`.
        /// Extractors come first, the event last; what it returns is the acknowledgement.
        pub fn on<H: Handler<Args>, Args>(mut self, handler: H) -> Self {
            self.$($seat)+.on(handler);
            self
        }

        /// Handles an event without a Rust type; its last argument is the [`Payload`](crate::Payload).
        pub fn on_event<H: UntypedHandler<Args>, Args>(mut self, name: &str, handler: H) -> Self {
            self.$($seat)+.on_event(name, handler);
            self
        }

        /// Handles every event that nobody else does; its last argument is the [`Incoming`](crate::Incoming).
        pub fn on_any<H: CatchAll<Args>, Args>(mut self, handler: H) -> Self {
            self.$($seat)+.on_any(handler);
            self
        }

        /// Handles messages that are no events; its last argument is [`Bytes`](bytes::Bytes).
        pub fn on_raw<H: RawHandler<Args>, Args>(mut self, handler: H) -> Self {
            self.$($seat)+.on_raw(handler);
            self
        }

        /// Looks at each event before its handler and may change or refuse it.
        pub fn before_event<M: Middleware<Args>, Args>(mut self, middleware: M) -> Self {
            self.$($seat)+.before_event(middleware);
            self
        }

        /// Looks at each session before it opens and may refuse it.
        pub fn before_connect<H: ConnectHandler<Args>, Args>(mut self, handler: H) -> Self {
            self.$($seat)+.before_connect(handler);
            self
        }

        /// Runs when a session has opened, before its first event.
        pub fn on_connect<H: ConnectHandler<Args>, Args>(mut self, handler: H) -> Self {
            self.$($seat)+.on_connect(handler);
            self
        }

        /// Runs when a session has ended. Its rooms can still be read; a handler of its last event may still run.
        pub fn on_disconnect<H: DisconnectHandler<Args>, Args>(mut self, handler: H) -> Self {
            self.$($seat)+.on_disconnect(handler);
            self
        }
    };
}

impl NamespaceBuilder {
    registrations!(dispatch);
}

impl HubBuilder {
    registrations!(root.dispatch);

    /// Sets the knobs; [`Config::default`] unless set.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Sets how nodes talk; a [`MemoryBroker`](crate::broker::MemoryBroker) of its own unless set.
    pub fn broker(mut self, broker: impl Broker) -> Self {
        self.broker = Some(Arc::new(broker));
        self
    }

    /// Sets the runtime that the hub's shards run on; the one that `build` is called in unless set.
    pub fn runtime(mut self, runtime: tokio::runtime::Handle) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// Gives handlers a value of the application's: they take it as `State<S>`. One value of each type.
    pub fn state<S: Clone + Send + Sync + 'static>(mut self, state: S) -> Self {
        if let Err(error) = self.states.insert(state) {
            self.mistakes.push(BuildError::Handler(error.to_string()));
        }
        self
    }

    /// Sets who may connect, and as whom; everyone as a guest unless set.
    ///
    /// It is asked before the handshake is answered. [`Refusal::CredentialsRequired`] lets the client send its credentials in a
    /// `hello`, and then it is asked again; it is asked as well for a `refresh` and when a session is resumed.
    pub fn authenticate<F, Fut>(mut self, check: F) -> Self
    where
        F: Fn(Arc<Handshake>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Identity, Refusal>> + Send + 'static,
    {
        let check = Arc::new(check);
        self.authenticate = Some(Arc::new(move |handshake| {
            let check = check.clone();
            // In the future, so that a panic before the first await is the check's too.
            Box::pin(async move { check(handshake).await })
        }));
        self
    }

    /// Sets what clients may do with rooms; everything unless set. It is asked for each command of a client, and for each room
    /// again on resume. The application's own verbs, such as [`Session::join`], do not ask.
    pub fn permit<F, Fut>(mut self, check: F) -> Self
    where
        F: Fn(Session, RoomName, Verb) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Reject>> + Send + 'static,
    {
        let check = Arc::new(check);
        self.permit = Some(Arc::new(move |session, room, verb| {
            let check = check.clone();
            // In the future, so that a panic before the first await is the check's too.
            Box::pin(async move { check(session, room, verb).await })
        }));
        self
    }

    /// Sets how each room behaves; [`RoomPolicy::default`] unless set. Asked when a room comes to life on this node, and for what is
    /// published to a room that nobody here is in: it must be quick and always answer the same.
    pub fn rooms(mut self, policy_of: impl Fn(&Namespace, &RoomName) -> RoomPolicy + Send + Sync + 'static) -> Self {
        self.policy_of = Some(Box::new(policy_of));
        self
    }

    /// Is told when rooms become occupied and vacated on this node, and of each join and leave. Called from a shard: it must
    /// not block.
    pub fn on_room(mut self, observer: impl Fn(&Topic, &RoomChange) + Send + Sync + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// Adds a namespace with handlers of its own. State, authentication and permissions are the hub's.
    pub fn namespace(mut self, name: &str, handlers: impl FnOnce(NamespaceBuilder) -> NamespaceBuilder) -> Self {
        if name == "/" || self.namespaces.contains_key(name) {
            self.mistakes.push(BuildError::Namespace(name.to_owned(), "is there already"));
            return self;
        }
        self.namespaces.insert(name.to_owned(), handlers(NamespaceBuilder::default()));
        self
    }

    /// Builds the hub and starts its shards.
    ///
    /// # Errors
    /// The first [`BuildError`].
    pub fn build(self) -> Result<Hub, BuildError> {
        self.config.check()?;
        if let Some(mistake) = self.mistakes.into_iter().next() {
            return Err(mistake);
        }
        let states = Arc::new(self.states);
        let mut namespaces = HashMap::new();
        let all = self.namespaces.into_iter().chain([("/".to_owned(), self.root)]);
        for (name, builder) in all {
            let namespace =
                Namespace::new(&name).map_err(|_| BuildError::Namespace(name.clone(), "is not a valid name"))?;
            let dispatch = builder.dispatch.build(states.clone()).map_err(|errors| {
                let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
                BuildError::Handler(errors.join("; "))
            })?;
            namespaces.insert(namespace, Arc::new(dispatch));
        }
        let runtime = match self.runtime {
            Some(runtime) => runtime,
            None => tokio::runtime::Handle::try_current().map_err(|_| BuildError::NoRuntime)?,
        };
        let shards = self.config.shards.map_or_else(default_shards, std::num::NonZeroUsize::get);
        let broker = self.broker.unwrap_or_else(|| {
            let options = MemoryOptions {
                idempotency_window: self.config.idempotency_window,
                max_idempotency_keys: self.config.max_idempotency_keys,
                ..MemoryOptions::default()
            };
            Arc::new(MemoryBus::with_options(options).broker())
        });
        let parts = NodeParts {
            config: self.config,
            broker,
            runtime: runtime.clone(),
            permit: self.permit,
            policy_of: self.policy_of.unwrap_or_else(|| Box::new(|_, _| RoomPolicy::default())),
            observer: self.observer,
        };
        let node = Node::new(parts, shards);
        let seat = Arc::new(Seat { namespaces, authenticate: self.authenticate });
        let any: Arc<dyn Any + Send + Sync> = seat.clone();
        node.set_seat(Arc::downgrade(&any));
        for shard in node.shards() {
            runtime.spawn(run(Surroundings { node: node.clone(), seat: seat.clone() }, shard.clone()));
        }
        runtime.spawn(housekeeping(Arc::downgrade(&node)));
        Ok(Hub { node, seat })
    }
}

/// One shard for each four cores.
fn default_shards() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(4))
}
