"""The bridge: NATS to Kafka, and results back to NATS. Its own process, without Faust.

stream.py         the JetStream stream and the consumer of each lane
lane.py           one lane: pulls in order, and notices at once when the order breaks
nats_to_kafka.py  messages of a lane to frames in Kafka; acknowledged after Kafka's ack
weather.py        temperatures and forecasts, and what no lane can take
kafka_to_nats.py  results back to the seed's subjects
purge.py          what is carried leaves the stream
kafka.py          the producer, and where a lane ends
watermarks.py     how far each lane is, and whom an idle lane follows
service.py        all of it together, with its health pages
"""
